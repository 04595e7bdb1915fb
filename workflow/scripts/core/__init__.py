"""What every script rests on: errors and output of commands, records and their files, digests of code and settings."""
