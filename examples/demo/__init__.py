"""Three stories on a real cluster: a promotion, a quiet failure caught, a rollback."""
