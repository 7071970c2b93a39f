"""The commands of a federation: `python -m medpriv.flower COMMAND`; docs/federate-hospitals.md shows their use."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from medpriv.errors import InputError
from medpriv.flower.processes import ENVIRONMENT, DeploymentError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; what the user can mend ends with one message and exit code 1."""
    told = _parser().parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.WARNING)
    logging.getLogger("medpriv").setLevel(logging.INFO)
    logging.getLogger().handlers[0].addFilter(lambda record: record.levelno >= logging.WARNING or _is_ours(record))
    os.environ.update(ENVIRONMENT)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started ends with this process
    try:
        told.run(told)
    except (InputError, DeploymentError) as error:
        sys.exit(f"medpriv.flower {told.command}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _is_ours(record: logging.LogRecord) -> bool:
    """Return whether a message is from this project, not from Flower, which lowers its own threshold when imported."""
    return record.name.startswith("medpriv")


def _authority(told: argparse.Namespace) -> None:
    from medpriv.flower.certificates import make_authority

    print(f"wrote {make_authority(told.folder)}; give it to every hospital, and keep authority.key to yourself")


def _certificate(told: argparse.Namespace) -> None:
    from medpriv.flower.certificates import make_server_certificate

    print(f"wrote {make_server_certificate(told.folder, told.host, told.authority)}")


def _key(told: argparse.Namespace) -> None:
    from medpriv.flower.certificates import make_hospital_key

    path = make_hospital_key(told.folder, told.name)
    print(f"wrote {path}, which stays here, and {path.with_suffix('.pub')}; give that to the server")


def _server(told: argparse.Namespace) -> None:
    from medpriv.flower.job import read_job
    from medpriv.flower.run import run_job

    job = read_job(told.job)
    print(f"wrote {run_job(job.model_dump(), told.out)}")


def _hospital(told: argparse.Namespace) -> None:
    from medpriv.flower.deployment import serve_hospital
    from medpriv.flower.handlers import HANDLERS
    from medpriv.flower.hospital import ClientNode, read_holding

    node = ClientNode(read_holding(told.data, told.site), told.least_records, told.folder, HANDLERS)
    serve_hospital(told.folder, node.answer, server=told.server, authority=told.authority, key=told.key)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m medpriv.flower", description="Federate real hospitals.")
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, run, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        return added

    authority = command("authority", _authority, "Make the federation's certificate authority (server, once).")
    authority.add_argument("folder", help="where authority.pem and authority.key go")

    certificate = command("certificate", _certificate, "Make the server's certificate (server, once).")
    certificate.add_argument("folder", help="where server.pem and server.key go")
    certificate.add_argument("host", nargs="+", help="names or addresses by which hospitals reach the server")
    certificate.add_argument("--authority", help="folder of the authority; the same folder if not given")

    key = command("key", _key, "Make a hospital's key pair (hospital, once).")
    key.add_argument("folder", help="where <name>.key and <name>.pub go")
    key.add_argument("name", help="the hospital's name in the federation")

    server = command("server", _server, "Run a federation: wait for the hospitals, train, save the model.")
    server.add_argument("job", help="YAML file of the job")
    server.add_argument("out", help="folder for the model, its report and the SuperLink's log")

    hospital = command("hospital", _hospital, "Take part in a federation, until interrupted.")
    hospital.add_argument("data", help="folder of the preprocessed dataset")
    hospital.add_argument("--site", help="only the records of this site of the dataset")
    hospital.add_argument("--server", required=True, help="host:port of the server")
    hospital.add_argument("--authority", required=True, help="file of the authority's certificate, from the server")
    hospital.add_argument("--key", required=True, help="file of the hospital's private key")
    hospital.add_argument("--folder", type=Path, default=Path("federation"), help="for the SuperNode's log and files")
    hospital.add_argument(
        "--least-records",
        type=int,
        default=32,
        help="give out no model or figure that rests on fewer records (default: 32)",
    )
    return parser


if __name__ == "__main__":
    main()
