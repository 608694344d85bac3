from .base import Agent, serve


class DeskAgent(Agent):
    word = "asks"


if __name__ == "__main__":
    serve(DeskAgent())
