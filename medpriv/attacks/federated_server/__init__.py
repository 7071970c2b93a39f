"""What the server of a federation can get out of the updates that it is sent."""
