"""The audit rules for containers: what they are, whether they are in force, how they get there.

rules/audit.rules ─▶ template ─▶ rendering ─▶ /etc/audit/rules.d/50-castoff.rules
                                    └───────▶ auditctl, where kernel audit may be changed
"""
