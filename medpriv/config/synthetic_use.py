"""What use synthetic records are: how it is measured."""

from pydantic import Field

from medpriv.config.section import Count, Fraction, Section


class _Judged(Section):
    """How classifiers trained on synthetic records are compared with those trained on real ones."""

    replicates: Count = Field(
        3, description="most replicates of a bank that are judged; fewer than 8 can hardly prove a margin of 0.05"
    )
    margin: Fraction = Field(
        0.05, description="by how much accuracy and AUROC may differ from training on real records and count as equal"
    )
    enough_test_patients: Count = Field(
        300,
        description="with fewer test patients, classifiers are tested on the training patients too that the replicate "
        "was not trained on",
    )


class SyntheticUseSettings(_Judged):
    """Ten classifiers trained on synthetic tables, and how like real ones these are."""


class ImageUseSettings(_Judged):
    """Five classifiers trained on synthetic images, and how like real ones these are."""
