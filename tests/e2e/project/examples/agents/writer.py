from .base import Agent, serve


class WriterAgent(Agent):
    word = "writes"


if __name__ == "__main__":
    serve(WriterAgent())
