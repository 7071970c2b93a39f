"""What goes out with a synthetic table: the table itself as CSV, a data card, and Croissant metadata."""
