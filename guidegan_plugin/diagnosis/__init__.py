"""The checks of ``guidegan doctor``: what a guided training needs, and a cure for each thing that is missing."""
