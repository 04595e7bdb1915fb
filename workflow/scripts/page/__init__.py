"""The page on which a finished experiment captions any drawing: what is done for a drawing, and the server."""
