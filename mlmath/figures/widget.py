"""A live figure as an ipywidget: the same front end, and settings that Python reads, sets and observes."""

import anywidget
import traitlets

from mlmath._check import require
from mlmath.figures.explore import Explore, part, static

RENDER = """
export default { async render({ model, el }) {
  el.classList.add("explore");
  el.innerHTML = model.get("picture");
  const set = await live(el, { ...model.get("spec"), index: model.get("index") }, index => {
    model.set("index", index);
    model.save_changes();
  });
  const follow = () => set(model.get("index"));
  follow();  // Python may have moved it while the figure was made
  model.on("change:index", follow);
  return () => model.off("change:index", follow);
} };
"""


class ExploreWidget(anywidget.AnyWidget):
    """`settings` holds the value of each control, by its name; set some or all of them, or observe it."""

    _esm = part("explore.js") + RENDER
    _css = part("explore.css")
    spec = traitlets.Dict().tag(sync=True)
    picture = traitlets.Unicode().tag(sync=True)
    index = traitlets.List(traitlets.Int()).tag(sync=True)
    settings = traitlets.Dict()

    def __init__(self, figure: Explore) -> None:
        self.figure, self.grids = figure, {c.name: c for c in figure.controls}
        super().__init__(spec=figure.spec, picture=figure.picture, index=figure.start)

    @traitlets.validate("settings")
    def _on_the_grid(self, proposal: dict) -> dict:
        given = proposal["value"]
        unknown = sorted(set(given) - set(self.grids))
        require(not unknown, "settings", f"for {', '.join(unknown)}", f"for {', '.join(self.grids)}")
        exact = {name: self.grids[name].values[self.grids[name].index(value)] for name, value in given.items()}
        return {**self.settings, **exact}

    @traitlets.observe("settings")
    def _to_page(self, change: dict) -> None:
        self.index = [self.grids[name].index(value) for name, value in change["new"].items()]

    @traitlets.observe("index")
    def _from_page(self, change: dict) -> None:
        places = zip(self.grids.values(), change["new"], strict=True)
        self.settings = {control.name: control.values[i] for control, i in places}

    def _repr_mimebundle_(self, **options):
        return self.figure._repr_mimebundle_() if static() else super()._repr_mimebundle_(**options)
