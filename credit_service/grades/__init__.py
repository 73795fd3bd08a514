"""Grades 信用等级: facts become feature columns, columns points, points and law a grade. Numpy only."""
