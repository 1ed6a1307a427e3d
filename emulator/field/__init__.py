"""Ten calls by hand that settle what no documentation says: `python -m emulator.field`.

Everything here is proven on the emulator, and the emulator has to choose where carriers' documentation is silent. Each
such choice is a row in docs/fidelity.md. `field_calls.toml` has the calls that a person with an account can make, and
the questions that each of them answers; what is answered is compared with what the emulator assumes.
"""
