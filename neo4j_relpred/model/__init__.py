"""The model: members that propose (tower, structure, rules), the reasoner that decides, the checkpoint that lasts."""
