"""What may stand between a user and a guided training: small checks, each with a cure."""
