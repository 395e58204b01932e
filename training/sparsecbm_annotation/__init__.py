"""Labels concepts in texts with a language model, and lets a person check what it said."""
