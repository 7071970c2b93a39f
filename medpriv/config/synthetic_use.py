"""What use synthetic tables are: how it is measured."""

from pydantic import Field

from medpriv.config.section import Count, Fraction, Section


class SyntheticUseSettings(Section):
    """Ten classifiers trained on synthetic tables, and how like real ones these are."""

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
