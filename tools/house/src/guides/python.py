"""Runs a Python block and compares each expression with the number in the comment behind it: python.py < block"""

import ast
import re
import sys

code = sys.stdin.read()
lines = code.splitlines()
scope = {}
checked = 0
for statement in ast.parse(code).body:
    comment = re.search(r"#\s*(-?[\d.]+(?:e-?\d+)?)\b", lines[statement.end_lineno - 1])
    if isinstance(statement, ast.Expr) and comment:
        value = float(eval(compile(ast.Expression(statement.value), "<block>", "eval"), scope))
        digits = len(comment[1].partition(".")[2])
        if abs(value - float(comment[1])) > 0.5 * 10**-digits * (1 + 1e-6):
            sys.exit(f"{ast.unparse(statement)}: the comment says {comment[1]}, it is {value}")
        checked += 1
    else:
        exec(compile(ast.Module([statement], []), "<block>", "exec"), scope)
print(checked)
