"""The attack families and the measures."""

from typing import Annotated

from pydantic import Field

from medpriv.config.attribute import AttributeSettings
from medpriv.config.disclosure import DisclosureSettings
from medpriv.config.epsilon import EpsilonSettings
from medpriv.config.federated_server import FederatedServerSettings
from medpriv.config.image_copies import ImageCopiesSettings
from medpriv.config.language_attacks import LanguageAttackSettings
from medpriv.config.language_canaries import CanaryAuditSettings
from medpriv.config.language_private import LanguageEpsilonSettings
from medpriv.config.language_unlearning import ForgettingAuditSettings
from medpriv.config.linkage import LinkageSettings
from medpriv.config.personalized import PersonalAttackSettings
from medpriv.config.release import ImageReleaseSettings, ReleaseSettings
from medpriv.config.section import Count, Fraction, Section, Unlike
from medpriv.config.split_server import SplitServerSettings
from medpriv.config.synthetic_marginals import MarginalsAuditSettings
from medpriv.config.synthetic_use import ImageUseSettings, SyntheticUseSettings
from medpriv.config.unlearning_audit import UnlearningAuditSettings


class MembershipSettings(Section):
    """Membership inference on every bank."""

    false_positive_rates: Annotated[list[Fraction], Unlike] = Field(
        [0.01, 0.001], description="rates at which TPR is stated"
    )
    bootstraps: Count = Field(500, description="patient bootstrap draws behind each interval")


class SmoothingSettings(Section):
    """Randomised smoothing of the bank trained on noise."""

    replicates: Count = Field(4, description="most replicates certified")
    records_per_class: Count = Field(20, description="most test records certified a class")
    guesses: Count = Field(20, description="noisy copies by which the top class is guessed")
    draws: Count = Field(200, description="noisy copies that bound its probability")
    alpha: Fraction = Field(0.001, description="probability that one certificate is wrong")
    bootstraps: Count = Field(500, description="patient bootstrap draws behind each interval")


class AttackSettings(Section):
    """The attack families that have the same settings for all datasets."""

    membership: MembershipSettings = Field(
        default_factory=MembershipSettings, description="who was in the training set"
    )
    release: ReleaseSettings = Field(
        default_factory=ReleaseSettings, description="who was in the table behind a synthetic one"
    )
    image_release: ImageReleaseSettings = Field(
        default_factory=ImageReleaseSettings, description="who was among the images that a generator was fitted to"
    )
    image_copies: ImageCopiesSettings = Field(
        default_factory=ImageCopiesSettings, description="which synthetic images are copies of a patient's"
    )
    disclosure: DisclosureSettings = Field(
        default_factory=DisclosureSettings, description="what a synthetic table discloses of those behind it"
    )
    synthetic_epsilon: MarginalsAuditSettings = Field(
        default_factory=MarginalsAuditSettings, description="what noisy marginals give away at least"
    )
    smoothing: SmoothingSettings = Field(
        default_factory=SmoothingSettings, description="what no change can flip, for the bank trained on noise"
    )
    personalization: PersonalAttackSettings = Field(
        default_factory=PersonalAttackSettings, description="what personalised models gain, leak and stand"
    )
    unlearning: UnlearningAuditSettings = Field(
        default_factory=UnlearningAuditSettings, description="whether unlearned models forgot, and at what price"
    )
    attribute: AttributeSettings = Field(
        default_factory=AttributeSettings, description="what a table's model tells of a feature that is hidden"
    )
    epsilon: EpsilonSettings = Field(
        default_factory=EpsilonSettings, description="lower bounds on what private models give away"
    )
    federated_server: FederatedServerSettings = Field(
        default_factory=FederatedServerSettings, description="what the server of a federation learns from updates"
    )
    split_server: SplitServerSettings = Field(
        default_factory=SplitServerSettings,
        description="what the server of split learning learns from what crosses the cut",
    )
    language: LanguageAttackSettings = Field(
        default_factory=LanguageAttackSettings, description="whose texts a language model was fine-tuned on"
    )
    language_epsilon: LanguageEpsilonSettings = Field(
        default_factory=LanguageEpsilonSettings,
        description="lower bounds on what privately fine-tuned language models give away",
    )
    language_canaries: CanaryAuditSettings = Field(
        default_factory=CanaryAuditSettings, description="what planted records tell of a language model"
    )
    language_forgetting: ForgettingAuditSettings = Field(
        default_factory=ForgettingAuditSettings, description="whether language models forgot patients"
    )
    linkage: LinkageSettings = Field(
        default_factory=LinkageSettings, description="who can be found in a table by what others know"
    )


class MeasureSettings(Section):
    """Utility measures."""

    bootstraps: Count = Field(500, description="patient bootstrap draws behind each interval")
    calibration_bins: Count = Field(10, description="bins of the reliability curve")
    synthetic: SyntheticUseSettings = Field(
        default_factory=SyntheticUseSettings, description="of what use synthetic tables are"
    )
    synthetic_images: ImageUseSettings = Field(
        default_factory=ImageUseSettings, description="of what use synthetic images are"
    )
