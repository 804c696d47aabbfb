"""What tests of Regatta and of its extensions share: generated tables."""
