"""What carries out documents on a leg: their verbs, and how calls with documents begin."""
