"""What flows between steps: frozen values that know neither files nor formats."""
