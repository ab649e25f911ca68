"""The command line, the demo and the parts they start. Imports anything, is imported by nothing."""
