"""Tests of the client. `go test ./internal/pythontest` runs them: it starts the
servers, one set for each module, and says where they are in the environment."""
