"""Grades 信用等级: facts become features, features points, points and law a grade. Numpy only."""
