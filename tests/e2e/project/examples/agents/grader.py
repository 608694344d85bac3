from .base import Agent, serve


class GraderAgent(Agent):
    word = "grades"


if __name__ == "__main__":
    serve(GraderAgent())
