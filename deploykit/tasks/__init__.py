"""What a pipeline measures itself by."""
