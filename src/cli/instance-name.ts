/** Arguments that name a function, or one of its instances: `NAME[/INSTANCE]`. */
import { InvalidArgumentError } from "commander";

export interface FunctionOrInstance {
	readonly name: string;
	/** Absent: all of them. */
	readonly instance?: string;
}

/** Reads `firewall` and `firewall/a`; whether they exist is the controller's to say. */
export function functionOrInstance(text: string): FunctionOrInstance {
	const [name = "", instance, ...rest] = text.split("/");
	if (name === "" || instance === "" || rest.length > 0)
		throw new InvalidArgumentError(
			"Expected a function, or an instance as in firewall/a.",
		);
	return instance === undefined ? { name } : { name, instance };
}
