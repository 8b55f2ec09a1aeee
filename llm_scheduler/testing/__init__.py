"""Test doubles that other packages may use too; nothing else here imports them.

`scripted_model.ScriptedModel` is a model server whose answers a test writes down,
`fake_llm_manager.FakeLLMManager` a manager of failures that a test feeds.
"""
