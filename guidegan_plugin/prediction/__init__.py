"""Makes the predictors of ``test_map=predict`` out of what a training remembers and its images."""
