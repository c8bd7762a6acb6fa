"""Tables and rules for values of a document: context groups, concept names, languages, and texts."""
