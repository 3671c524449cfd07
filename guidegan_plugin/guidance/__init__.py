"""The method, in the order data flows; it knows no host and no plugin manager."""
