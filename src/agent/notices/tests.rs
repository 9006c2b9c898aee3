mod placeholder_for_now {}
