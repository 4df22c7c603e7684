"""What service, training and bench share: the terminal, figures, flags made of models.

Above `prompts_store` and `backbone`, below every other room.
"""
