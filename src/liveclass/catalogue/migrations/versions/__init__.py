"""The steps. A step names its columns itself and imports no model: models change, steps do not."""
