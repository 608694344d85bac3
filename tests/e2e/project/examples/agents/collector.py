from .base import Agent, serve


class CollectorAgent(Agent):
    word = "collects"


if __name__ == "__main__":
    serve(CollectorAgent())
