"""What is measured: nothing that runs in production imports this room.

May import everything, `infra.proof` included. protocol/ measures requests, dollars, waiting and averaging;
federation/ measures what more members and other strategies are worth.
"""
