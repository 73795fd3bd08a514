"""Training: data sets, fit, evaluation and publication of models, the simulated city. The service never imports it."""
