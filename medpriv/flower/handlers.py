"""What a hospital answers: one line a question. Everything that can leave a hospital is returned by one of these."""

from medpriv.flower.hospital import Handler, describe, evaluate, moments, prepare, train
from medpriv.flower.masked import publish_keys, reveal_shares, share_secrets, train_masked
from medpriv.flower.split_client import begin_cut, step, turn

HANDLERS: dict[str, Handler] = {
    "describe": describe,
    "moments": moments,
    "prepare": prepare,
    "train": train,
    "evaluate": evaluate,
    "publish_keys": publish_keys,
    "share_secrets": share_secrets,
    "train_masked": train_masked,
    "reveal_shares": reveal_shares,
    "begin_cut": begin_cut,
    "step": step,
    "turn": turn,
}
