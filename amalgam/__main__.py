"""`python -m amalgam`, and what `torchrun -m amalgam` starts."""

from amalgam.cli import main

if __name__ == "__main__":
    main()
