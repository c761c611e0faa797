"""What a recorded run would have taken on other numbers of workers."""
