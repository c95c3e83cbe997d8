"""What people and programs meet. Never imports torch."""
