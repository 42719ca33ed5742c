"""The SafetyFilter: ordered stages between any goal and `send_action`."""
