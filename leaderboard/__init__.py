"""Rows that can be checked, compared and published as a static site.

    record --submit--> bundle --verify--> rows --add--> board --build--> site

``board`` resolves corrections and retractions, ``ranking`` says which methods can be told apart, ``flags`` what looks
too good; ``bundle`` and ``verify`` carry a submission; ``site`` and ``report`` write HTML.
"""
