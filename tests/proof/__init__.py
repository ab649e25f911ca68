"""The long suites: each writes what it proved, when and at which commit, to docs/proof."""
