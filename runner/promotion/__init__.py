"""Gates, approvals and rebuilding of registered versions: what must be shown before a protected alias moves."""
