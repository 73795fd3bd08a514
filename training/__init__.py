"""Training: data sets, models and their measures, the simulated city. No part of the service."""
