"""Messages of the API, generated from proto/."""
