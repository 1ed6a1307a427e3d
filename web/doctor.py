"""`python -m web.doctor`: the doctor of a deployment (`deployment/doctor.py`), by the name that people know."""

if __name__ == "__main__":
    import sys

    from environment import need_packages

    need_packages()

    from deployment.doctor import main

    sys.exit(main())
