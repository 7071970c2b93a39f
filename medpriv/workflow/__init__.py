"""What ties the library to Snakemake and DVC; nothing else in medpriv knows of either."""
