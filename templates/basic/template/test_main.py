import unittest

from main import walk


class TestWalk(unittest.TestCase):
    def test_the_same_seed_gives_the_same_walk(self) -> None:
        self.assertEqual(walk(100, 7), walk(100, 7))

    def test_a_walk_of_an_even_number_of_steps_ends_on_an_even_number(self) -> None:
        self.assertEqual(walk(100, 3) % 2, 0)
