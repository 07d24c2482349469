"""What a test calls on ``result_backend``, one class for each family of assertions."""
