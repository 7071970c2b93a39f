"""Machine unlearning: a trained model forgets one patient, or a personalised one some of the beats it adapted to."""
