"""Publishers, subscribers and slots: packets of a source go to the slots that show it, untouched."""
