"""One adapter per dataset: from raw rows to problems."""
